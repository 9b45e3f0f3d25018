"""Sources of requests: the addresses that limits and counts are kept for."""

import ipaddress

UNKNOWN_SOURCE = "unknown"
IPV6_SUBSCRIBER_PREFIX = 64


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> Address | None:
    """Parse an address, an IPv4 address mapped into IPv6 as IPv4; None for another text."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = None if isinstance(parsed, ipaddress.IPv4Address) else parsed.ipv4_mapped
    return mapped or parsed


def group_source(text: str) -> str:
    """Return the source that an address counts for: itself, or its /64 network in IPv6.

    A subscriber of IPv6 has a whole /64 (RFC 6177), so single addresses would limit nobody. A text
    that is no address is never kept, because a proxy may pass on what its client wrote.
    """
    address = parse_address(text)
    if address is None:
        return UNKNOWN_SOURCE
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((int(address), IPV6_SUBSCRIBER_PREFIX), strict=False))
