//! The nearest known name, for the error about an unknown one.

/// The name with the smallest edit distance to `wanted`; the first of several, empty if there is none.
pub(super) fn nearest(wanted: &str, known: &[String]) -> String {
    known.iter().min_by_key(|name| distance(wanted, name)).cloned().unwrap_or_default()
}

/// How many insertions, deletions and replacements of characters turn one into the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (above, from_char) in from.chars().enumerate() {
        let mut next = vec![above + 1];
        let steps = row.iter().zip(row.iter().skip(1)).zip(to.chars());
        for ((diagonal, up), to_char) in steps {
            let replace = diagonal + usize::from(from_char != to_char);
            let left = next.last().map_or(above, |cell| cell + 1);
            next.push(replace.min(up + 1).min(left));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn the_nearest_name_wins() {
        let known = ["listen".to_owned(), "public_url".to_owned()];
        assert_eq!(nearest("lissen", &known), "listen");
    }
}
