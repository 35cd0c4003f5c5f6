use super::*;
use crate::fixture::TEMPLATE;

#[test]
fn text_comes_out_as_it_was() {
    let checkpoint = Checkpoint::parse(TEMPLATE).unwrap();
    assert_eq!(checkpoint.to_text(), TEMPLATE);
    assert_eq!(checkpoint.memory_file().unwrap(), "system.physmem.store0.pmem");
}

#[test]
fn no_key_is_added() {
    let mut checkpoint = Checkpoint::parse(TEMPLATE).unwrap();
    let why = checkpoint.put("root", "new", &1).unwrap_err().to_string();
    assert!(why.contains("it has no key root:new"), "{why}");
    let why = checkpoint.put("roof", "new", &1).unwrap_err().to_string();
    assert!(why.contains("it has no section roof"), "{why}");
    assert_eq!(checkpoint.to_text(), TEMPLATE);
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    for text in ["", "a=b\n", "[a]\nb\n", "[a]\nb=1\nb=2\n", "[a]\n[a]\n"] {
        assert!(Checkpoint::parse(text).is_err(), "{text}");
    }
    let store = |name: &str| format!("[system.physmem.store0]\nfilename={name}\n");
    for name in ["", "../x", "/x", "."] {
        assert!(Checkpoint::parse(&store(name)).unwrap().memory_file().is_err(), "{name}");
    }
    assert!(Checkpoint::parse("[a]\n").unwrap().memory_file().is_err());
}
