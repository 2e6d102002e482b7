"""What a receiver asks of storage: request bodies → span events, many requests → one commit."""
