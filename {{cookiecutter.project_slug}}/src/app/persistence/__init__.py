"""PostgreSQL: connections, transactions, models, migrations."""
