//! `andera-lb policy new`: what it refuses. What it writes is built in `languages`.

use super::{parts, run};

#[tokio::test]
async fn a_new_policy_never_touches_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mine = directory.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    let args = ["policy", "new", "mine", "--lang", "c"];
    let (code, lines, errors) = parts(&run(&args, &[], directory.path()).await);
    assert_eq!((code, lines.len()), (Some(1), 0));
    assert_eq!(errors, ["mine is there already; nothing was written. Another folder: --dir"]);
    assert_eq!(std::fs::read_dir(&mine).unwrap().count(), 0);

    let args = [&args[..], &["--dir", "deep/er"]].concat();
    let (code, lines, _) = parts(&run(&args, &[], directory.path()).await);
    assert_eq!(code, Some(0));
    assert!(lines.iter().any(|line| line == "  cd deep/er"), "{lines:#?}");
    assert!(directory.path().join("deep/er/policy.c").is_file());
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for (name, said) in [("My_Policy", "my-policy would do"), ("../up", "up would do"), ("1", "begins with a letter")] {
        let (code, _, errors) = parts(&run(&["policy", "new", name, "--lang", "rust"], &[], directory.path()).await);
        assert_eq!(code, Some(2));
        assert!(errors.iter().any(|line| line.contains(said)), "{errors:#?}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
