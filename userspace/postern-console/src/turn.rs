//! Whose turn it is, where one node of several does something: nobody is elected, and each can tell for itself.

/// How many of these nodes are before this one for a thing that is done once. Each thing has an order of its own, by hash.
pub fn rank(thing: &str, own: &str, nodes: &[String]) -> usize {
    let weight = |node: &str| *blake3::hash(format!("{node} {thing}").as_bytes()).as_bytes();
    nodes.iter().filter(|node| weight(node) > weight(own)).count()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::rank;

    #[test]
    fn each_thing_has_its_own_order_of_nodes_and_every_node_a_turn() {
        let nodes: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
        let mut first = HashSet::new();
        for n in 0..50 {
            let address = format!("user{n}@example.org");
            let ranks: Vec<usize> = nodes.iter().map(|node| rank(&address, node, &nodes)).collect();
            let mut sorted = ranks.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2], "{address}");
            first.extend(ranks.iter().position(|r| *r == 0));
        }
        assert_eq!(first.len(), 3, "one node does everything");
        assert_eq!(rank("user@example.org", "", &[]), 0, "a node alone is the first");
    }
}
