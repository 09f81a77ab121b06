//! A reader of server-sent events (WHATWG HTML §9.2.6), bounded in size and indifferent to where chunks are cut.

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Its name; empty where the stream names none.
    pub(super) name: String,
    /// Its data, lines joined by a line feed.
    pub(super) data: String,
}

/// The stream is not one that this reader takes: an event or a line is too long, or no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

#[derive(Debug)]
pub(super) struct Reader {
    longest: usize,
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed after it ends no second line.
    returned: bool,
    first_line: bool,
    name: String,
    data: Option<String>,
}

impl Reader {
    /// `longest` bounds the bytes of an event, all its lines together.
    pub(super) const fn new(longest: usize) -> Self {
        Self { longest, line: Vec::new(), returned: false, first_line: true, name: String::new(), data: None }
    }

    /// Takes the next bytes in and gives the events that they complete.
    pub(super) fn take(&mut self, mut chunk: &[u8]) -> Result<Vec<Event>, Unreadable> {
        let mut events = Vec::new();
        while let Some(first) = chunk.first() {
            if self.returned && *first == b'\n' {
                chunk = chunk.get(1..).unwrap_or_default();
                self.returned = false;
                continue;
            }
            self.returned = false;
            let end = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = chunk.split_at(end.unwrap_or(chunk.len()));
            let held = self.line.len() + self.name.len() + self.data.as_ref().map_or(0, String::len);
            if held + part.len() > self.longest {
                return Err(Unreadable);
            }
            self.line.extend_from_slice(part);
            if let Some((ending, rest)) = rest.split_first() {
                self.returned = *ending == b'\r';
                let line = std::mem::take(&mut self.line);
                events.extend(self.line(&line)?);
                chunk = rest;
            } else {
                chunk = rest;
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Event>, Unreadable> {
        let mut line = std::str::from_utf8(line).map_err(|_| Unreadable)?;
        if std::mem::take(&mut self.first_line) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            return Ok(self.data.take().map(|data| Event { name, data }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // `id` is in the message itself and signed there; `retry` is this follower's own affair.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    const STREAM: &str = "\u{feff}: welcome\n\nevent: batch\nid: 4\ndata: a.b.c\n\nevent:heartbeat\r\ndata:x\r\n\r\n\
                          data: one\rdata\rdata:  two\r\r:\n\nevent: lost\n\nretry: 5\nunknown: é\ndata: é\n\nevent: cut\ndata: cut";

    fn expected() -> Vec<Event> {
        vec![event("batch", "a.b.c"), event("heartbeat", "x"), event("", "one\n\n two"), event("", "é")]
    }

    #[test]
    fn events_are_the_same_wherever_the_chunks_are_cut() {
        for size in 1..STREAM.len() {
            let mut reader = Reader::new(1_000);
            let mut events = Vec::new();
            for chunk in STREAM.as_bytes().chunks(size) {
                events.extend(reader.take(chunk).unwrap());
                assert!(reader.take(b"").unwrap().is_empty());
            }
            assert_eq!(events, expected(), "{size}");
        }
    }

    #[test]
    fn an_event_longer_than_the_bound_is_not_held() {
        for text in ["data: 0123456789".repeat(10), "data: 01\n".repeat(50), ":".repeat(200)] {
            let mut reader = Reader::new(100);
            let unreadable = text.as_bytes().chunks(7).any(|chunk| reader.take(chunk).is_err());
            assert!(unreadable, "{text}");
        }
        let mut reader = Reader::new(100);
        for _ in 0..1_000 {
            assert_eq!(reader.take(b"event: a\ndata: 0123456789\n\n"), Ok(vec![event("a", "0123456789")]));
        }
        assert_eq!(Reader::new(100).take(b"data: \xff\n"), Err(Unreadable));
    }
}
