//! Which operations a client may do, as bits (KIP-430). Without access rules it may do all that the resource has.
//!
//! Above: Metadata, DescribeCluster, DescribeTopicPartitions, DescribeGroups, ConsumerGroupDescribe. Below: nothing.

/// Operations of one kind of resource; bit `n` stands for Kafka's operation number `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServedOperations(i32);

impl ServedOperations {
    /// READ 3, WRITE 4, CREATE 5, DELETE 6, ALTER 7, DESCRIBE 8, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11.
    pub(crate) const TOPIC: Self =
        Self(1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11);
    /// READ 3, DELETE 6, DESCRIBE 8, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11.
    pub(crate) const GROUP: Self = Self(1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11);
    /// CREATE 5, ALTER 7, DESCRIBE 8, CLUSTER_ACTION 9, DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11, IDEMPOTENT_WRITE 12.
    pub(crate) const CLUSTER: Self = Self(1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12);

    /// The bits, or what stands for "not asked" (rule M5).
    pub(crate) const fn bits_if(self, asked: bool) -> i32 {
        if asked { self.0 } else { i32::MIN }
    }
}
