"""Clocks that disagree: one offset for each host.

In: times of a run whose spans come from several hosts. Out: how far each host's clock has to be
moved. A child runs inside its parent, so every finished child on another host than its parent
bounds the offset from both sides; the bounds of all such pairs are intersected. One offset a host
keeps the spans of a host consistent among themselves, which one shift a span would not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from longpole.model.run import Span


def hosts_of(spans: Sequence[Span], parents: Sequence[int]) -> list[str | None]:
    """Return the clock of each span: its own host, or else its parent's.

    Args:
        spans: parents before children.
        parents: index of each span's parent, -1 for the root.
    """
    hosts: list[str | None] = []
    for span, parent in zip(spans, parents, strict=True):
        hosts.append(span.host if span.host is not None or parent < 0 else hosts[parent])
    return hosts


def offsets_ns(
    spans: Sequence[Span], parents: Sequence[int], hosts: Sequence[str | None]
) -> Mapping[str, int]:
    """Return what to add to the times of each host, those that need nothing left out.

    Hosts are settled outwards from the root's. The offset is 0 where that is possible, else the
    middle of what is.
    """
    offsets: dict[str, int] = {}
    for host, bounds in _bounds(spans, parents, hosts).items():
        earliest = max(offsets.get(above, 0) + low for above, low, _ in bounds)
        latest = min(offsets.get(above, 0) + high for above, _, high in bounds)
        if not earliest <= 0 <= latest:
            offsets[host] = (earliest + latest) // 2
    return offsets


def _bounds(
    spans: Sequence[Span], parents: Sequence[int], hosts: Sequence[str | None]
) -> dict[str, list[tuple[str, int, int]]]:
    """Return under each host its offsets' bounds relative to other hosts, the nearest host first.

    A host is entered when it first appears below a host that is known; pairs that lead back to a
    host entered before their parent's say nothing that could still be used.
    """
    rank: dict[str, int] = {}
    bounds: dict[str, list[tuple[str, int, int]]] = {}
    for child, host in enumerate(hosts):
        if host is None:
            continue
        rank.setdefault(host, len(rank))
        parent = parents[child]
        above = hosts[parent] if parent >= 0 else None
        if above is None or above == host or rank[above] > rank[host]:
            continue
        limits = _limits(spans[parent], spans[child])
        if limits is not None:
            bounds.setdefault(host, []).append((above, *limits))
    ranked = sorted(bounds, key=rank.__getitem__)
    return {host: bounds[host] for host in ranked if host != hosts[0]}


def _limits(parent: Span, child: Span) -> tuple[int, int] | None:
    """Return how far the child may move inside its parent; `None` where that says nothing."""
    if parent.end_ns is None or child.end_ns is None or child.order.detached:
        return None
    low, high = parent.start_ns - child.start_ns, parent.end_ns - child.end_ns
    return (low, high) if low <= high else None
