"""`longpole export`: one file a destination."""
