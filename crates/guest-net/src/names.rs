//! A name server's answers, as the Docker Engine's gives them to a container (moby, `libnetwork/resolver.go`): addresses of containers by
//! their names, names by their addresses, and nothing of the world outside.

use std::net::Ipv4Addr;

use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype, Ttl};
use domain::rdata::{A, Ptr};
use futon_model::LeanBundle;

/// Where containers ask; the port is RFC 1035's.
pub const ADDRESS: (Ipv4Addr, u16) = (LeanBundle::NAME_SERVER, 53);
/// How long an answer holds, seconds; the engine's.
const TTL: u32 = 600;
/// What an address's name ends with when it is asked for.
const REVERSE: &str = ".in-addr.arpa";

/// What is known of names.
pub trait Known {
    /// The addresses that a name in lower case has; none: nobody has it.
    fn addresses(&self, name: &str) -> Vec<Ipv4Addr>;
    /// The name that an address has.
    fn name(&self, address: Ipv4Addr) -> Option<String>;
}

/// The answer to a packet; none to what is no question. A name that exists and has nothing of the kind that is asked for is answered with
/// nothing, what is unknown with SERVFAIL: so the engine answers where it reaches no name server itself.
#[must_use]
pub fn answer(packet: &[u8], known: &dyn Known) -> Option<Vec<u8>> {
    let query = Message::from_octets(packet).ok().filter(|query| !query.header().qr())?;
    let question = query.first_question()?;
    let name = question.qname().to_string().trim_end_matches('.').to_ascii_lowercase();
    let records = match question.qtype() {
        Rtype::A => Some(known.addresses(&name)).filter(|addresses| !addresses.is_empty()).map(Records::Addresses),
        Rtype::AAAA | Rtype::MX if !known.addresses(&name).is_empty() => Some(Records::None),
        Rtype::PTR => address_of(&name).and_then(|address| known.name(address)).map(Records::Name),
        _ => None,
    };
    let builder = MessageBuilder::new_vec();
    let Some(records) = records else {
        return Some(builder.start_answer(&query, Rcode::SERVFAIL).ok()?.finish());
    };
    let mut answer = builder.start_answer(&query, Rcode::NOERROR).ok()?;
    answer.header_mut().set_ra(true);
    let (owner, class, ttl) = (question.qname(), Class::IN, Ttl::from_secs(TTL));
    match records {
        Records::Addresses(addresses) => {
            for address in addresses {
                answer.push((owner, class, ttl, A::new(address))).ok()?;
            }
        }
        Records::Name(name) => {
            let name: Name<Vec<u8>> = format!("{name}.").parse().ok()?;
            answer.push((owner, class, ttl, Ptr::new(name))).ok()?;
        }
        Records::None => {}
    }
    Some(answer.finish())
}

enum Records {
    Addresses(Vec<Ipv4Addr>),
    Name(String),
    None,
}

/// The address in `4.3.2.1.in-addr.arpa`.
fn address_of(name: &str) -> Option<Ipv4Addr> {
    let mut parts: Vec<&str> = name.strip_suffix(REVERSE)?.split('.').collect();
    parts.reverse();
    parts.join(".").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    impl Known for One {
        fn addresses(&self, name: &str) -> Vec<Ipv4Addr> {
            let (a, b) = (Ipv4Addr::new(172, 19, 0, 2), Ipv4Addr::new(172, 19, 0, 3));
            match name {
                "db" | "db.p_default" => vec![a],
                "both" => vec![a, b],
                _ => Vec::new(),
            }
        }

        fn name(&self, address: Ipv4Addr) -> Option<String> {
            (address == Ipv4Addr::new(172, 19, 0, 2)).then(|| "p-db-1.p_default".to_owned())
        }
    }

    /// A question as clients send it: id 0x1234, recursion wanted.
    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut packet = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0".to_vec();
        for label in name.split('.') {
            packet.push(u8::try_from(label.len()).unwrap());
            packet.extend(label.as_bytes());
        }
        packet.push(0);
        packet.extend([kind.to_be_bytes(), 1_u16.to_be_bytes()].concat());
        packet
    }

    /// Flags, number of answers, and what follows the question.
    fn answered(name: &str, kind: u16) -> (u16, u16, Vec<u8>) {
        let question = question(name, kind);
        let answer = answer(&question, &One).unwrap();
        assert_eq!((&answer[..2], &answer[12..question.len()]), (&b"\x12\x34"[..], &question[12..]), "{name}");
        let number = |at: usize| u16::from_be_bytes([answer[at], answer[at + 1]]);
        (number(2), number(6), answer[question.len()..].to_vec())
    }

    /// Each line was seen from the Docker Engine 26.1.5: flags, answers, and the address in the last four bytes.
    #[test]
    fn answers_are_the_engines() {
        for (name, kind, flags, count, end) in [
            ("db", 1, 0x8180, 1, &[172, 19, 0, 2][..]),
            ("DB", 1, 0x8180, 1, &[172, 19, 0, 2]),
            ("db.p_default", 1, 0x8180, 1, &[172, 19, 0, 2]),
            ("both", 1, 0x8180, 2, &[172, 19, 0, 3]),
            // No IPv6, no mail.
            ("db", 28, 0x8180, 0, &[]),
            ("db", 15, 0x8180, 0, &[]),
            // TXT, SRV, ANY, HTTPS; and what nobody has.
            ("db", 16, 0x8102, 0, &[]),
            ("db", 33, 0x8102, 0, &[]),
            ("db", 255, 0x8102, 0, &[]),
            ("db", 65, 0x8102, 0, &[]),
            ("nosuch", 1, 0x8102, 0, &[]),
            ("a.example.com", 28, 0x8102, 0, &[]),
            ("2.0.19.172.in-addr.arpa", 12, 0x8180, 1, b"\x0ap_default\0"),
            ("9.0.19.172.in-addr.arpa", 12, 0x8102, 0, &[]),
            ("db", 12, 0x8102, 0, &[]),
        ] {
            let (said, answers, rest) = answered(name, kind);
            assert_eq!((said, answers), (flags, count), "{name} {kind}");
            let end = if kind == 12 && !end.is_empty() { &b"p_default\0"[..] } else { end };
            assert!(rest.ends_with(end) && (count > 0 || rest.is_empty()), "{name} {kind}: {rest:?}");
        }
        let (.., rest) = answered("db", 1);
        // Type A, class IN, 600 s, four bytes.
        assert!(rest.ends_with(b"\0\x01\0\x01\0\0\x02\x58\0\x04\xac\x13\0\x02"), "{rest:?}");
    }

    #[test]
    fn what_is_no_question_is_not_answered() {
        for packet in [&b""[..], b"\x12\x34", &[0; 12], &[0xff; 40]] {
            assert_eq!(answer(packet, &One), None, "{packet:?}");
        }
        // What a client adds for itself (EDNS, RFC 6891) does not matter.
        let mut packet = question("db", 1);
        packet[11] = 1;
        packet.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
        let answer = answer(&packet, &One).unwrap();
        assert_eq!(answer[3] & 15, 0);
    }
}
