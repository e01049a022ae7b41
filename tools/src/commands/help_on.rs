//! `help-on TOPIC`: what several commands share, in one place.

use crate::{
    exit::{Exit, Failure},
    output::Output,
};

/// What to explain.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// offsets, formats or exit-codes.
    #[arg(value_enum)]
    topic: Topic,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Topic {
    Offsets,
    Formats,
    ExitCodes,
}

const OFFSETS: &str = "\
Positions, the same for consume, topic offsets, topic trim and group seek. Ends are exclusive.

  start, earliest, beginning     the first offset that is still there
  end, latest                    the high watermark
  100                            that offset
  +100                           100 behind the start
  -100                           100 before the end
  100:200   100:end   :200       a range; reading stops at its end
  @TIME                          the first record at or after that time
  @TIME:TIME   @TIME:DURATION    a range of time
  @TIME:end   @:TIME

  In consume -g they say where partitions begin in which the group has no position yet. In group seek, +N and -N count from
  where the group is, and there are: current, group:OTHER, file:PLAN.csv

  TIME      1767225600000 (ms), 1767225600 (s), 2026-01-01, 2026-01-01T10:00:00Z, -1h (before now), now
  DURATION  90s, 1h30m, 7d, PT6h
";

const FORMATS: &str = "\
Formats of records, printed by consume -f and read by produce -f.

  json   one object a line; every byte survives (null, binary, duplicate headers)
  raw    the value and a newline        kv   key, tab, value, newline        hex   both in hex

Anything with % is a template:
  %t topic  %p partition  %o offset  %e leader epoch  %d timestamp (ms), %d{strftime[%F %T]} (UTC)
  %k key  %v value  %h{%k=%v } each header  %h all headers as k=v,k=v
  %T %K %V lengths (-1 = null)  %H number of headers
  %[ log start  %| last stable offset  %] high watermark  %i records so far
  %x producer id  %y producer epoch  %a{compression} %a{timestamp-type} %a{transactional} %a{control}
  %% %{ %}  and  \\t \\n \\r \\\\ \\xNN

Modifiers of texts: {hex} {base64} {base64raw} {json} {unpack[<>bBhHiIqQcs$]}
Modifiers of numbers: {ascii} {hex64} .. {hex4} {big64} .. {big8} {little64} .. {little8} {byte} {bool}

Reading takes the same template backwards: a length before what it sizes (%K{big32}%V{big32}%k%v), or a literal behind it.
";

pub(crate) fn run(arguments: &Arguments, out: &mut Output) -> Result<(), Failure> {
    match arguments.topic {
        Topic::Offsets => out.bytes(OFFSETS.as_bytes()),
        Topic::Formats => out.bytes(FORMATS.as_bytes()),
        Topic::ExitCodes => {
            out.line("  0  ok (also when a reader closed the pipe)")?;
            for (exit, meaning) in Exit::ALL {
                out.line(&format!("{:>3}  {meaning}", exit.code()))?;
            }
            Ok(())
        }
    }
}
