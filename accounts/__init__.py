"""Who is who and who may what: accounts, people, login, permissions, API tokens."""
