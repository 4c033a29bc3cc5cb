"""The store on SQLite: one file, transactions as DynamoDB has them."""
