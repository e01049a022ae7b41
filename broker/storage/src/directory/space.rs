//! Room on the volume of a directory: when it gets scarce, and the ballast that is thrown off when it is gone.
//!
//! Above: the periodic pass, which looks; appends, which may be told that there is none; the broker, which refuses clients in
//! time. Below: the file system. The decision is pure.
//!
//! A full disk is no failure as long as it shows as a refusal. Before it comes to that clients are refused while space is
//! scarce, old segments are removed at once, and the ballast gives shutdown and metadata a last room to work in.

use crate::{
    error::{Context, IoFailure},
    fs::{Fs, OpenMode},
};
use parking_lot::Mutex;
use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU8, Ordering},
};

/// Name of the file that only takes space.
pub(super) const BALLAST: &str = "ballast.mainstem";

/// When space counts as short, in bytes that are free on the volume. 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpaceLimits {
    /// Below this clients are to be refused.
    pub scarce_below: u64,
    /// Below this nothing goes on but what frees space.
    pub exhausted_below: u64,
    /// Space that is held in reserve, and given back when it comes to the worst.
    pub ballast: u64,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskSpace {
    /// Enough.
    Ample,
    /// Little: clients are refused before anything is written, what is the broker's own goes on.
    Scarce,
    /// None, but for the ballast that was thrown off.
    Exhausted,
}

impl DiskSpace {
    const fn code(self) -> u8 {
        match self {
            Self::Ample => 0,
            Self::Scarce => 1,
            Self::Exhausted => 2,
        }
    }

    const fn of(code: u8) -> Self {
        match code {
            0 => Self::Ample,
            1 => Self::Scarce,
            _ => Self::Exhausted,
        }
    }
}

/// Decides. What was short is enough again only a tenth above its limit, so that it does not go back and forth; space that the
/// ballast will take again does not count as free.
fn judge(free: u64, limits: SpaceLimits, was: DiskSpace) -> DiskSpace {
    let relief = |limit: u64| limit.saturating_add(limit / 10);
    let exhausted_below = match was {
        DiskSpace::Exhausted => relief(limits.exhausted_below).saturating_add(limits.ballast),
        DiskSpace::Ample | DiskSpace::Scarce => limits.exhausted_below,
    };
    let scarce_below = match was {
        DiskSpace::Ample => limits.scarce_below,
        DiskSpace::Scarce | DiskSpace::Exhausted => relief(limits.scarce_below),
    };
    if free < exhausted_below && limits.exhausted_below != 0 {
        DiskSpace::Exhausted
    } else if free < scarce_below {
        DiskSpace::Scarce
    } else {
        DiskSpace::Ample
    }
}

/// The room of one directory, as it was seen last.
#[derive(Debug)]
pub(super) struct Room {
    limits: SpaceLimits,
    state: AtomicU8,
    /// Whether the ballast is on board. Held while it is taken or thrown off.
    has_ballast: Mutex<bool>,
    ballast: PathBuf,
}

impl Room {
    /// Enough, until somebody looks.
    pub(super) fn new(limits: SpaceLimits, dir: &Path) -> Self {
        Self {
            limits,
            state: AtomicU8::new(DiskSpace::Ample.code()),
            has_ballast: Mutex::new(false),
            ballast: dir.join(BALLAST),
        }
    }

    /// As it was seen last. Lock free.
    pub(super) fn state(&self) -> DiskSpace {
        DiskSpace::of(self.state.load(Ordering::Relaxed))
    }

    /// An append was refused for want of space: it is scarce, whatever was seen before.
    pub(super) fn note_refusal(&self) {
        self.state.fetch_max(DiskSpace::Scarce.code(), Ordering::Relaxed);
    }

    /// Looks at the volume, takes ballast on or throws it off. Returns what it was and what it is now.
    pub(super) fn look(&self, fs: &dyn Fs, dir: &Path) -> Result<(DiskSpace, DiskSpace), IoFailure> {
        let was = self.state();
        let free = fs.free_space(dir).or_failure("look at", dir)?.free;
        let now = judge(free, self.limits, was);
        self.state.store(now.code(), Ordering::Relaxed);
        let mut has_ballast = self.has_ballast.lock();
        match now {
            DiskSpace::Exhausted if *has_ballast => {
                remove_ballast(fs, &self.ballast)?;
                *has_ballast = false;
            }
            DiskSpace::Ample if !*has_ballast => *has_ballast = self.take_ballast(fs, free)?,
            DiskSpace::Ample | DiskSpace::Scarce | DiskSpace::Exhausted => {}
        }
        Ok((was, now))
    }

    /// Reserves the ballast, if that does not make space scarce.
    fn take_ballast(&self, fs: &dyn Fs, free: u64) -> Result<bool, IoFailure> {
        let SpaceLimits { scarce_below, ballast, .. } = self.limits;
        if ballast == 0 || free < scarce_below.saturating_add(ballast) {
            return Ok(false);
        }
        let file = fs.open(&self.ballast, OpenMode::CreateOrTruncate).or_failure("create", &self.ballast)?;
        match file.reserve(0..ballast) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                remove_ballast(fs, &self.ballast).map(|()| false)
            }
            Err(error) => Err(error).or_failure("reserve space in", &self.ballast),
        }
    }
}

fn remove_ballast(fs: &dyn Fs, path: &Path) -> Result<(), IoFailure> {
    match fs.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.or_failure("remove", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::SimFs;

    const LIMITS: SpaceLimits = SpaceLimits { scarce_below: 1_000, exhausted_below: 300, ballast: 200 };

    /// One line for each: what is free, what it was, what it is.
    #[test]
    fn space_gets_scarce_at_its_limit_and_ample_a_tenth_above_it() {
        use DiskSpace::{Ample, Exhausted, Scarce};
        for (free, was, expected) in [
            (1_000, Ample, Ample),
            (999, Ample, Scarce),
            (299, Ample, Exhausted),
            (1_099, Scarce, Scarce),
            (1_100, Scarce, Ample),
            (300, Scarce, Scarce),
            (299, Scarce, Exhausted),
            // The ballast was thrown off: what it freed does not count.
            (529, Exhausted, Exhausted),
            (530, Exhausted, Scarce),
            (1_100, Exhausted, Ample),
        ] {
            assert_eq!(judge(free, LIMITS, was), expected, "{free} free, was {was:?}");
        }
        assert_eq!(judge(0, SpaceLimits::default(), Ample), Ample, "no limits");
    }

    #[test]
    fn ballast_is_thrown_off_when_space_is_gone_and_taken_on_again_later() {
        let fs = SimFs::new();
        let dir = Path::new("/logs");
        fs.create_dir(dir).unwrap();
        let room = Room::new(LIMITS, dir);
        let look = |free| {
            fs.set_capacity(1 << 30);
            let used = (1 << 30) - fs.free_space(dir).unwrap().free;
            fs.set_capacity(used + free);
            room.look(&fs, dir).unwrap().1
        };
        let has_ballast = || fs.content(&dir.join(BALLAST)).is_ok();
        assert_eq!((look(1_100), has_ballast()), (DiskSpace::Ample, false), "it would be scarce with it");
        assert_eq!((look(5_000), has_ballast()), (DiskSpace::Ample, true));
        assert_eq!((look(400), has_ballast()), (DiskSpace::Scarce, true));
        assert_eq!((look(100), has_ballast()), (DiskSpace::Exhausted, false));
        assert_eq!((look(300), has_ballast()), (DiskSpace::Exhausted, false));
        assert_eq!((look(900), has_ballast()), (DiskSpace::Scarce, false));
        assert_eq!((look(5_000), has_ballast()), (DiskSpace::Ample, true));
    }

    #[test]
    fn a_refused_append_makes_space_scarce_until_the_next_look() {
        let fs = SimFs::new();
        let room = Room::new(SpaceLimits::default(), Path::new("/"));
        room.note_refusal();
        assert_eq!(room.state(), DiskSpace::Scarce);
        room.look(&fs, Path::new("/")).unwrap();
        assert_eq!(room.state(), DiskSpace::Ample);
    }
}
