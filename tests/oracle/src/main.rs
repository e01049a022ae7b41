//! Reads messages with the crate `kafka-protocol` and writes them again, one line each.
//!
//! A process of its own with little memory, because forged lengths make that codec allocate until it aborts.
//!
//! ```text
//! in:   request|response KEY VERSION HEX
//! out:  ok HEX LEFT        its encoding, and how many bytes of the input were left over
//!       unknown            it does not speak this API or version
//!       error TEXT
//! ```

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};
use std::{
    error::Error,
    fmt::Write as _,
    io::{self, BufRead, Write},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer =
            answer(&line?).unwrap_or_else(|error| format!("error {}", error.to_string().replace('\n', " ")));
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<String, Box<dyn Error>> {
    let words: Vec<&str> = line.split(' ').collect();
    let [side, key, version, hex] = words[..] else { return Err("four words are expected".into()) };
    let (key, version) = (key.parse::<i16>()?, version.parse::<i16>()?);
    let known = ApiKey::iter().find(|api| *api as i16 == key);
    let Some(key) = known.filter(|api| {
        let versions = api.valid_versions();
        (versions.min..=versions.max).contains(&version)
    }) else {
        return Ok("unknown".to_owned());
    };
    let mut rest = Bytes::from(from_hex(hex)?);
    let mut written = BytesMut::new();
    let read = if side == "request" {
        RequestKind::decode(key, &mut rest, version).and_then(|message| message.encode(&mut written, version))
    } else {
        ResponseKind::decode(key, &mut rest, version)
            .and_then(|message| message.encode(&mut written, version))
    };
    match read {
        Ok(()) => {}
        // Its table of APIs knows some versions that its messages do not.
        Err(error) if format!("{error:#}").contains("version not supported") => {
            return Ok("unknown".to_owned());
        }
        Err(error) => return Err(format!("{error:#}").into()),
    }
    let mut answer = "ok ".to_owned();
    for byte in &written {
        write!(answer, "{byte:02x}")?;
    }
    write!(answer, " {}", rest.len())?;
    Ok(answer)
}

fn from_hex(hex: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let digits: Vec<u32> =
        hex.chars().map(|c| c.to_digit(16).ok_or("not hexadecimal")).collect::<Result<_, _>>()?;
    digits
        .chunks(2)
        .map(|pair| Ok(u8::try_from(pair.iter().fold(0, |byte, digit| byte << 4 | digit))?))
        .collect()
}
