//! Topics that come into being because a client asked for them (rule M2).
//!
//! Above: Metadata, FindCoordinator. Below: the controller. Each missing topic is asked for once at a time, however many clients wait.

use super::Services;
use crate::controller::{CallOptions, CreateTopics, NewTopic};
use mainstem_protocol::error::ErrorCode;
use parking_lot::Mutex;
use std::{collections::HashSet, sync::Arc, time::Duration};

/// Topics under creation at one time; clients ask again for what is beyond.
const IN_FLIGHT_MAX: usize = 1_000;
/// A creation that takes longer is given up; clients ask again.
const WITHIN: Duration = Duration::from_secs(30);

/// Creations under way.
#[derive(Default)]
pub(crate) struct AutoCreate {
    in_flight: Mutex<HashSet<Arc<str>>>,
}

impl AutoCreate {
    /// Asks the controller for topics, in the background.
    pub(super) fn start(&self, services: &Arc<Services>, mut topics: Vec<NewTopic>) {
        {
            let mut in_flight = self.in_flight.lock();
            topics
                .retain(|topic| in_flight.len() < IN_FLIGHT_MAX && in_flight.insert(Arc::clone(&topic.name)));
        }
        if topics.is_empty() {
            return;
        }
        let services_of_task = Arc::clone(services);
        services.env.tasks.spawn("auto-create", async move {
            let names: Vec<Arc<str>> = topics.iter().map(|topic| Arc::clone(&topic.name)).collect();
            create(&services_of_task, topics, &names).await;
            let mut in_flight = services_of_task.auto_create.in_flight.lock();
            for name in &names {
                in_flight.remove(name);
            }
        });
    }
}

async fn create(services: &Services, topics: Vec<NewTopic>, names: &[Arc<str>]) {
    let request = CreateTopics { topics, validate_only: false };
    let options = CallOptions { deadline: services.env.clock.now().after(WITHIN), request_id: None };
    let answers = services.controller.create_topics(request, options).await;
    for (name, answer) in names.iter().zip(answers) {
        match answer {
            Ok(created) => tracing::info!(target: "mainstem::broker", topic = %name,
                partitions = created.num_partitions, "topic created because a client asked for it"),
            // Another client's request, or another broker, was faster.
            Err(error) if error.code == ErrorCode::TopicAlreadyExists => {}
            Err(error) => tracing::warn!(target: "mainstem::broker", topic = %name, %error,
                "topic cannot be created for the client that asked for it"),
        }
    }
}
