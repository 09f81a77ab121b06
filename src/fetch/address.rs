//! Which addresses a stranger may have this server ask: those that anybody on the Internet can ask as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// From everywhere.
    Public,
    /// From this machine or network; only for hosts that the operator has named.
    Private,
    /// Not asked, whoever names it: what is nobody's server (link-local, multicast, reserved), and what tells a
    /// machine of a cloud its secrets.
    Never,
}

/// A network: its address and how many bits of it count, 1 to 32.
type Network = ([u8; 4], u32);

/// RFC 1918 §3 and RFC 1122 §3.2.1.3; and shared address space, which is private at the operator's (RFC 6598 §7).
const PRIVATE: &[Network] = &[
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
];

/// What is no server of anybody (RFC 6890 §2.2.2), and where clouds answer their own machines.
const NEVER: &[Network] = &[
    ([0, 0, 0, 0], 8),
    // Metadata of Alibaba Cloud.
    ([100, 100, 100, 200], 32),
    // The platform of Azure, at an address that looks public.
    ([168, 63, 129, 16], 32),
    // Link-local, and with it 169.254.169.254: metadata nearly everywhere.
    ([169, 254, 0, 0], 16),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Judges an address. One that carries another inside is judged by both.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Reach {
    let within = |(network, bits): &Network| {
        (address.to_bits() ^ u32::from_be_bytes(*network)).leading_zeros() >= *bits
    };
    if NEVER.iter().any(within) {
        Reach::Never
    } else if PRIVATE.iter().any(within) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn v6(address: Ipv6Addr) -> Reach {
    // The operating system connects to the IPv4 address inside (RFC 4291 §2.5.5.2).
    if let Some(mapped) = address.to_ipv4_mapped() {
        return v4(mapped);
    }
    let [a, b, c, _, _, _, g, h] = address.segments();
    match (a, b) {
        _ if address == Ipv6Addr::LOCALHOST => Reach::Private,
        // Metadata of AWS, among the private addresses.
        (0xfd00, 0x0ec2) if address.segments() == [a, b, 0, 0, 0, 0, 0, 0x254] => Reach::Never,
        (0xfc00..=0xfdff, _) => Reach::Private,
        // A gateway translates to the address inside (RFC 6052 §2.1); a network that has no other way out uses it.
        (0x64, 0xff9b) if address.segments() == [a, b, 0, 0, 0, 0, g, h] => embedded(g, h),
        (0x2002, _) => embedded(b, c),
        // Teredo, benchmarks, ORCHID and the like: 2001::/23.
        (0x2001, 0..=0x1ff) | (0x2001, 0x0db8) | (0x3fff, 0..=0xfff) => Reach::Never,
        // Global unicast is 2000::/3 (RFC 4291 §2.4 and IANA's registry); nothing else is anybody's.
        (0x2000..=0x3fff, _) => Reach::Public,
        _ => Reach::Never,
    }
}

/// Behind a translator, a private address is somebody else's network or a trick: never.
fn embedded(high: u16, low: u16) -> Reach {
    match v4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))) {
        Reach::Public => Reach::Public,
        Reach::Private | Reach::Never => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn all_are(expected: Reach, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn what_everybody_can_reach_is_public() {
        all_are(
            Reach::Public,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "168.63.129.15",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.0",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2606:4700:4700::1111",
                "2001:4860:4860::8888",
                "2001:200::1",
                "3fff:1000::1",
                "64:ff9b::8.8.8.8",
                "2002:808:808::1",
                "::ffff:8.8.8.8",
            ],
        );
    }

    #[test]
    fn what_is_at_the_operators_is_private() {
        all_are(
            Reach::Private,
            &[
                "127.0.0.1",
                "127.255.255.255",
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "::1",
                "fc00::",
                "fdff:ffff::1",
                "::ffff:127.0.0.1",
                "::ffff:10.0.0.1",
                "::ffff:c0a8:1",
            ],
        );
    }

    #[test]
    fn metadata_link_local_multicast_and_reserved_addresses_are_never_asked() {
        all_are(
            Reach::Never,
            &[
                "0.0.0.0",
                "0.255.255.255",
                "100.100.100.200",
                "168.63.129.16",
                "169.254.0.0",
                "169.254.169.254",
                "169.254.255.255",
                "192.0.0.192",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.0",
                "198.19.255.255",
                "198.51.100.7",
                "203.0.113.7",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::2",
                "::127.0.0.1",
                "::8.8.8.8",
                "::ffff:169.254.169.254",
                "::ffff:0.0.0.0",
                "::ffff:0:8.8.8.8",
                "100::1",
                "1fff::1",
                "2001::1",
                "2001:2::1",
                "2001:10::1",
                "2001:20::1",
                "2001:db8::1",
                "3fff::1",
                "4000::1",
                "5f00::1",
                "fd00:ec2::254",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
                "ff0e::1",
                "64:ff9b::127.0.0.1",
                "64:ff9b::10.0.0.1",
                "64:ff9b::169.254.169.254",
                "64:ff9b:1::8.8.8.8",
                "64:ff9b:0:1::8.8.8.8",
                "2002:7f00:1::",
                "2002:a00:1::1",
                "2002:a9fe:a9fe::1",
            ],
        );
    }
}
