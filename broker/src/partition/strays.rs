//! Folders of partitions that the metadata does not know: set aside, as in Kafka, and never deleted.
//!
//! Above: `apply`, once the metadata is the newest. Below: the log directories.
//!
//! A folder is a stray if its topic is unknown, or known under another id, or if no replica of the partition is assigned to
//! this broker: topics were deleted, or partitions moved, while the broker was away. It may also be that the metadata is what
//! was lost. So the folder gets another name, with the suffix `-stray`, and an operator decides what becomes of it.

use super::{apply::Opening, partitions::Partitions};
use crate::metadata::MetadataImage;
use mainstem_protocol::model::TopicPartition;
use mainstem_storage::{DirectoryState, Log, LogDirectory, StorageError};
use std::sync::Arc;

impl Partitions {
    /// Sets aside the folder of another topic of that name, and opens the log in its place.
    pub(super) fn open_in_place_of_stray(&self, opening: &Opening) -> Result<Arc<Log>, StorageError> {
        let (directory, wanted) = (opening.directory.files(), &opening.wanted);
        self.set_aside(directory, &wanted.topic_partition)?;
        directory.open_log(wanted.topic_partition.clone(), wanted.topic_id, Arc::clone(&wanted.config))
    }

    /// Sets aside every folder that was found at the start and is none of a partition of this broker.
    pub(super) fn set_strays_aside(&self, metadata: &MetadataImage) {
        // Where a write failed nothing is renamed any more.
        for directory in self.directories().filter(|directory| directory.state() == DirectoryState::Open) {
            // A folder that is known by name and did not open belongs to a log that is offline, and stays where it is.
            let strays =
                directory.partitions_found().iter().filter(|found| !self.is_assigned(found, metadata));
            for stray in strays {
                if let Err(error) = self.set_aside(directory, stray) {
                    tracing::error!(target: "mainstem::log", partition = %stray, %error, "stray folder cannot be set aside");
                }
            }
        }
    }

    fn is_assigned(&self, found: &TopicPartition, metadata: &MetadataImage) -> bool {
        let topic = metadata.topics.by_name(&found.topic);
        let partition = topic.and_then(|topic| topic.partition(found.partition));
        partition.is_some_and(|partition| partition.replicas.contains(&self.local))
    }

    fn set_aside(&self, directory: &LogDirectory, partition: &TopicPartition) -> Result<(), StorageError> {
        let topic_id = directory.stored_topic_id(partition)?;
        if let Some(folder) = directory.set_aside(partition, self.clock.wall())? {
            let topic_id = topic_id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
            let folder = folder.display();
            tracing::warn!(target: "mainstem::log", code = "MS-LOG-003", %partition, topic_id, %folder,
                "stray folder set aside: the metadata knows no such partition on this broker; the folder is kept, delete it once it is \
                 certain that the metadata is right");
        }
        Ok(())
    }
}
