//! Every error code of an answer is found, however deep it lies.

use mainstem_protocol::{
    messages::{
        fetch::{FetchResponse, FetchableTopicResponse, PartitionData},
        find_coordinator::{Coordinator, FindCoordinatorResponse},
    },
    wire::Wire,
};

fn codes(message: &impl Wire) -> Vec<i16> {
    let mut found = Vec::new();
    message.error_codes(&mut |code| found.push(code));
    found
}

#[test]
fn codes_of_the_answer_and_of_what_is_nested_are_given_in_order() {
    let partition = |error_code| PartitionData { error_code, ..PartitionData::default() };
    let topic = |codes: [i16; 2]| FetchableTopicResponse {
        partitions: codes.map(partition).into(),
        ..FetchableTopicResponse::default()
    };
    let response = FetchResponse {
        error_code: 70,
        responses: vec![topic([0, 3]), topic([6, -1])],
        ..FetchResponse::default()
    };
    assert_eq!(codes(&response), [70, 0, 3, 6, -1]);
    assert_eq!(codes(&FetchResponse::default()), [0]);
}

#[test]
fn codes_are_given_whatever_version_would_carry_them() {
    let coordinator = Coordinator { error_code: 15, ..Coordinator::default() };
    let response = FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() };
    assert_eq!(codes(&response), [0, 15]);
}
