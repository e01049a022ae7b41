//! A data directory: can it be written, on what does it lie, how full is it, whose is it.

use super::{Finding, Status};
use mainstem_storage::checkpoint::meta_properties::MetaProperties;
use rustix::fs::{StatFs, statfs};
use std::{fs, io, path::Path};

/// Share of a disk that must be free, in percent; below the second it is urgent.
const FREE_PERCENT: [u64; 2] = [15, 5];

/// File systems by the number that the kernel gives them: name, and how well they carry logs.
const FILE_SYSTEMS: [(u64, &str, Status); 8] = [
    (0x5846_5342, "xfs", Status::Ok),
    (0xEF53, "ext4", Status::Ok),
    (0x9123_683E, "btrfs", Status::Warning),
    (0x2FC1_2FC1, "zfs", Status::Warning),
    (0x794C_7630, "overlay", Status::Warning),
    (0x0102_1994, "tmpfs", Status::Failed),
    (0x6969, "nfs", Status::Failed),
    (0xFF53_4D42, "cifs", Status::Failed),
];

pub(super) fn look(directory: &Path) -> Vec<Finding> {
    let shown = directory.display();
    let mut findings = vec![writable(directory)];
    match statfs(directory) {
        Ok(found) => {
            findings.push(file_system(&shown.to_string(), magic(&found)));
            let block = u64::try_from(found.f_bsize).unwrap_or(0);
            let (total, free) = (found.f_blocks.saturating_mul(block), found.f_bavail.saturating_mul(block));
            findings.push(free_space(&shown.to_string(), total, free));
        }
        Err(error) => findings.push(Finding::new(
            format!("{shown}: disk"),
            Status::Skipped,
            error.to_string(),
            "a local disk with free space",
        )),
    }
    findings.push(owner(&shown.to_string(), &fs::read(directory.join("meta.properties"))));
    findings.extend(metadata_log(directory));
    findings
}

fn writable(directory: &Path) -> Finding {
    let shown = directory.display();
    let (check, required) = (format!("{shown}: writable"), "a directory that this user may write");
    match tempfile::tempfile_in(directory) {
        Ok(_) => Finding::new(check, Status::Ok, "yes", required),
        Err(error) => {
            let fix = match error.kind() {
                io::ErrorKind::NotFound => format!("sudo install -d -o $(id -un) {shown}"),
                _ => format!("sudo chown -R $(id -un) {shown}   (as the user that runs the broker)"),
            };
            Finding::new(check, Status::Failed, error.to_string(), required).fix(fix)
        }
    }
}

/// The kernel's number, without the sign that some platforms give it.
fn magic(found: &StatFs) -> u64 {
    u64::try_from(found.f_type).unwrap_or(0) & 0xFFFF_FFFF
}

fn file_system(shown: &str, magic: u64) -> Finding {
    let (check, required) = (format!("{shown}: file system"), "xfs or ext4 on a local disk");
    let known = FILE_SYSTEMS.iter().find(|(number, ..)| *number == magic);
    match known {
        Some((_, name, status)) => Finding::new(check, *status, *name, required).fix(match status {
            Status::Failed => {
                format!("{name} loses or delays what is said to be on disk: move the directory, e.g. log.dirs=/var/lib/mainstem/data")
            }
            _ => format!("{name} works, but is not what this is tested on: prefer xfs or ext4"),
        }),
        None => Finding::new(check, Status::Warning, format!("unknown ({magic:#x})"), required)
            .fix("findmnt -T DIR   (says what it is; prefer xfs or ext4)"),
    }
}

fn free_space(shown: &str, total: u64, free: u64) -> Finding {
    let percent = free.saturating_mul(100).checked_div(total).unwrap_or(0);
    let [warning, failed] = FREE_PERCENT;
    let status = match percent {
        few if few < failed => Status::Failed,
        few if few < warning => Status::Warning,
        _ => Status::Ok,
    };
    let found = format!("{} GiB of {} GiB free ({percent} %)", free >> 30, total >> 30);
    Finding::new(format!("{shown}: free space"), status, found, "at least 15 % free")
        .fix("mainstem topic config set TOPIC retention.ms=.. makes room; so does a larger disk")
}

/// Whose directory it is. One that is not formatted yet is nobody's.
fn owner(shown: &str, file: &io::Result<Vec<u8>>) -> Finding {
    let (check, required) = (format!("{shown}: meta.properties"), "one owner, readable");
    let bytes = match file {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let found = "not formatted yet: the first start does that";
            return Finding::new(check, Status::Ok, found, required);
        }
        Err(error) => {
            return Finding::new(check, Status::Failed, error.to_string(), required)
                .fix(format!("sudo chown -R $(id -un) {shown}   (as the user that runs the broker)"));
        }
    };
    match MetaProperties::parse(bytes) {
        Ok(meta) => {
            let found = format!("cluster {}, node {}", meta.cluster_id, meta.node_id);
            Finding::new(check, Status::Ok, found, required)
        }
        Err(error) => Finding::new(check, Status::Failed, error.to_string(), required)
            .fix("put the file back from a backup; cluster.id and node.id are those of this node's other directories"),
    }
}

/// A metadata log of Apache Kafka cannot be continued.
fn metadata_log(directory: &Path) -> Option<Finding> {
    let log = directory.join("__cluster_metadata-0");
    let is_there = |name: &str| fs::exists(log.join(name)).unwrap_or(false);
    let kafka = is_there("00000000000000000000.log") && !is_there("raft.mainstem");
    kafka.then(|| {
        Finding::new(
            format!("{}: metadata log", directory.display()),
            Status::Failed,
            "written by Apache Kafka",
            "none, or Mainstem's own",
        )
        .fix(
            "use an empty directory and copy the topics with a client: this metadata log cannot be continued",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_that_lose_data_fail() {
        for (magic, status) in [(0xEF53, Status::Ok), (0x0102_1994, Status::Failed), (1, Status::Warning)] {
            assert_eq!(file_system("/d", magic).status, status, "{magic:#x}");
        }
    }

    #[test]
    fn free_space_has_two_borders() {
        for (free, status) in
            [(4, Status::Failed), (5, Status::Warning), (14, Status::Warning), (15, Status::Ok)]
        {
            assert_eq!(free_space("/d", 100, free).status, status, "{free} %");
        }
        assert_eq!(free_space("/d", 0, 0).status, Status::Failed);
    }

    #[test]
    fn a_formatted_directory_names_its_owner_and_a_damaged_one_fails() {
        let text = b"version=1\ncluster.id=abc\nnode.id=3\n".to_vec();
        assert_eq!(owner("/d", &Ok(text)).found, "cluster abc, node 3");
        assert_eq!(owner("/d", &Ok(b"version=1\n".to_vec())).status, Status::Failed);
        let missing = owner("/d", &Err(io::ErrorKind::NotFound.into()));
        assert_eq!(missing.status, Status::Ok);
    }

    #[test]
    fn a_directory_that_is_not_there_fails_with_the_line_that_makes_it() {
        let home = tempfile::tempdir().unwrap();
        let missing = home.path().join("missing");
        let finding = writable(&missing);
        assert_eq!(finding.status, Status::Failed);
        assert!(finding.fix.unwrap().contains(missing.to_str().unwrap()));
        assert_eq!(writable(home.path()).status, Status::Ok);
    }

    #[test]
    fn a_metadata_log_of_kafka_is_recognised() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(metadata_log(home.path()), None);
        let log = home.path().join("__cluster_metadata-0");
        fs::create_dir(&log).unwrap();
        fs::write(log.join("00000000000000000000.log"), b"").unwrap();
        assert_eq!(metadata_log(home.path()).unwrap().status, Status::Failed);
        fs::write(log.join("raft.mainstem"), b"").unwrap();
        assert_eq!(metadata_log(home.path()), None);
    }
}
