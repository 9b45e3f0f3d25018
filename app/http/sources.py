"""Sources of requests: the addresses that limits and counts are kept for."""

import ipaddress

UNKNOWN_SOURCE = "unknown"
IPV6_SUBSCRIBER_PREFIX = 64


def group_source(address: str) -> str:
    """Return the source that an address counts for: itself, or its /64 network in IPv6.

    A subscriber of IPv6 has a whole /64 (RFC 6177), so single addresses would limit nobody. A text
    that is no address is never kept, because a proxy may pass on what its client wrote.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN_SOURCE
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_SUBSCRIBER_PREFIX), strict=False))
