//! `controller.quorum.voters`: `id@host:port` of each voter of the metadata quorum.
//!
//! Pure. Above: `typed`. A quorum has one voter or three, the same list on every node: two would stand still as soon as one
//! of them does, and more bring nothing that three do not.

use super::listener::HostPort;
use super::listener_list;
use mainstem_protocol::model::BrokerId;
use std::collections::BTreeSet;

/// One voter of the metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumVoter {
    /// Id of its node.
    pub node: BrokerId,
    /// Where its controller listener is reached.
    pub address: HostPort,
}

/// What is wrong with a list of voters, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) what: String,
    pub(super) fix: &'static str,
}

/// Reads the words of the list for node `own`. Empty = this node is the quorum, whether or not it names itself.
pub(super) fn parse(words: &[&str], own: i32) -> Result<Vec<QuorumVoter>, Unfit> {
    let unfit = |what: String, fix| Err(Unfit { what, fix });
    if let [word] = words {
        // Nobody will ever dial it, so that only its id matters.
        let node = node_of(word).ok_or_else(|| malformed(word))?;
        if node.get() != own {
            return unfit(
                format!("the voter is {node}, this node is {own}"),
                "set node.id to the voter's id",
            );
        }
        return Ok(Vec::new());
    }
    let voters = words.iter().map(|word| voter(word)).collect::<Result<Vec<_>, _>>()?;
    let nodes: BTreeSet<BrokerId> = voters.iter().map(|voter| voter.node).collect();
    if nodes.len() < voters.len() {
        return unfit("a node stands there twice".to_owned(), "name each voter once");
    }
    let shared = voters
        .iter()
        .enumerate()
        .any(|(place, voter)| voters.iter().skip(place + 1).any(|other| other.address == voter.address));
    if shared {
        return unfit("two voters have one address".to_owned(), "give each voter an address of its own");
    }
    match voters.len() {
        3 if !nodes.contains(&BrokerId(own)) => {
            let what = format!("this node, {own}, is not among the voters, and every node votes");
            return unfit(what, "set node.id to the id of the voter at this address");
        }
        0 | 3 => {}
        count => {
            let what = format!("{count} voters are named, and a quorum has 1 or 3");
            return unfit(what, "name this node alone, or three voters");
        }
    }
    Ok(voters)
}

fn malformed(word: &str) -> Unfit {
    Unfit { what: format!("`{word}` is not id@host:port"), fix: "write, for example, 1@localhost:9093" }
}

fn node_of(word: &str) -> Option<BrokerId> {
    let (id, _) = word.split_once('@')?;
    id.trim().parse::<i32>().ok().map(BrokerId)
}

fn voter(word: &str) -> Result<QuorumVoter, Unfit> {
    let node = node_of(word).filter(|node| BrokerId(0) <= *node).ok_or_else(|| malformed(word))?;
    let address = word.split_once('@').and_then(|(_, address)| listener_list::host_port(address));
    let address = address.filter(|address| !address.is_wildcard() && address.port != 0);
    Ok(QuorumVoter { node, address: address.ok_or_else(|| malformed(word))? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(words: &[&str], expected: &str) {
        let found = parse(words, 1).unwrap_err().what;
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn one_voter_or_three_are_taken() {
        assert_eq!(parse(&[], 1), Ok(Vec::new()));
        assert_eq!(parse(&["1@localhost:9093"], 1), Ok(Vec::new()));
        let three = parse(&["1@a:9093", "2@b:9093", "3@[::1]:9093"], 2).unwrap();
        assert_eq!(three[2], QuorumVoter { node: BrokerId(3), address: HostPort::new("::1", 9093) });
    }

    #[test]
    fn lists_that_cannot_be_a_quorum_are_refused() {
        check_refused(&["1@a:9093", "2@b:9093"], "2 voters are named");
        check_refused(&["1@a:1", "2@b:1", "3@c:1", "4@d:1", "5@e:1"], "5 voters are named");
        check_refused(&["2@a:9093"], "the voter is 2, this node is 1");
        check_refused(&["2@a:9093", "3@b:9093", "4@c:9093"], "this node, 1, is not among the voters");
        check_refused(&["1@a:9093", "1@b:9093", "3@c:9093"], "a node stands there twice");
        check_refused(&["1@a:9093", "2@a:9093", "3@c:9093"], "two voters have one address");
        check_refused(&["a:9093"], "is not id@host:port");
        for word in ["1", "a:9093", "x@a:9093", "-1@a:9093", "1@a", "1@:9093", "1@0.0.0.0:9093", "1@a:0"] {
            check_refused(&[word, "2@b:9093", "3@c:9093"], "is not id@host:port");
        }
    }
}
