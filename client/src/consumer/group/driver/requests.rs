//! The requests about membership, each as a future that the driver waits for. Above: `driver`. Below: `cluster`.

use std::sync::Arc;
use std::time::Duration;

use mainstem_protocol::message::Request;
use mainstem_protocol::messages::GroupId;
use mainstem_protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest;
use mainstem_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use mainstem_protocol::wire::WireStr;

use super::{Answer, Driver, LEAVE_LIMIT, Machine};
use crate::cluster::Lane;
use crate::connection::Connection;
use crate::error::Error;
use crate::runtime::{now, until};

impl Driver {
    pub(super) fn find(&mut self) {
        let cluster = Arc::clone(&self.cluster);
        let group = self.options.group_id.clone();
        self.member = Some(Box::pin(async move {
            let deadline = now() + cluster.options().request_timeout;
            Answer::Found(cluster.find_coordinator(&group, deadline).await)
        }));
    }

    pub(super) fn node(&self) -> Option<i32> {
        match &self.machine {
            Machine::Classic(classic) => classic.finding.node(),
            Machine::Modern(modern) => modern.finding.node(),
            Machine::Alone => None,
        }
    }

    /// Sends a request about membership to the coordinator.
    pub(super) fn send<R: Request + Send + Sync + 'static>(
        &mut self,
        request: R,
        limit: Duration,
        answer: impl FnOnce(Result<R::Response, Error>) -> Answer + Send + 'static,
    ) where
        R::Response: Send,
    {
        let connect = self.connect();
        self.member = Some(Box::pin(async move {
            let result = async {
                let connection = connect.await?;
                let deadline = now() + limit;
                Ok(connection.request(&request, deadline).await?)
            };
            answer(result.await)
        }));
    }

    /// The member's connection to the coordinator, a new one if need be.
    pub(super) fn connect(&self) -> impl Future<Output = Result<Connection, Error>> + Send + use<> {
        let (cluster, node, kept) = (Arc::clone(&self.cluster), self.node(), Arc::clone(&self.connection));
        async move {
            let node = node.ok_or(Error::Answer("there is no coordinator"))?;
            let known = kept.lock().clone().filter(|(to, connection)| *to == node && !connection.is_closed());
            if let Some((_, connection)) = known {
                return Ok(connection);
            }
            let deadline = now() + cluster.options().connection.connect_timeout;
            let connection = cluster.connection_alone(node, deadline).await?;
            *kept.lock() = Some((node, connection.clone()));
            Ok(connection)
        }
    }

    pub(super) fn modern_heartbeat(&mut self, mut request: ConsumerGroupHeartbeatRequest) {
        let cluster = Arc::clone(&self.cluster);
        let connect = self.connect();
        self.member = Some(Box::pin(async move {
            let result = async {
                let connection = connect.await?;
                let version = connection.version_for::<ConsumerGroupHeartbeatRequest>()?;
                if version == 0 && request.member_epoch == 0 {
                    // Before Kafka 4.1 the broker makes the id.
                    request.member_id = WireStr::default();
                }
                let deadline = cluster.request_deadline(now() + cluster.options().request_timeout);
                Ok(connection.request_version(&request, version, deadline).await?)
            };
            Answer::ModernBeat(result.await)
        }));
    }

    pub(super) fn leave(&mut self, member_id: WireStr, instance_id: Option<WireStr>, reason: &'static str) {
        let cluster = Arc::clone(&self.cluster);
        let group_id: GroupId = self.options.group_id.as_str().into();
        let node = self.node();
        self.member = Some(Box::pin(async move {
            let deadline = now() + LEAVE_LIMIT;
            let work = async {
                // Not behind a join that may still wait on the other connection.
                let node = node?;
                let connection = cluster.connection(node, Lane::Control, deadline).await.ok()?;
                let version = connection.version_for::<LeaveGroupRequest>().ok()?;
                let mut request = LeaveGroupRequest { group_id, ..LeaveGroupRequest::default() };
                if version < 3 {
                    request.member_id = member_id;
                } else {
                    let reason = Some(WireStr::from_static(reason));
                    request.members =
                        vec![MemberIdentity { member_id, group_instance_id: instance_id, reason }];
                }
                connection.request_version(&request, version, deadline).await.ok()
            };
            // A coordinator that cannot be told finds out when the session ends.
            drop(until(deadline, work).await);
            Answer::Left
        }));
    }
}
