"""What tests share: verbs and servers."""
