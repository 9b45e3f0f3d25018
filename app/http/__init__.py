"""HTTP plumbing of every room: problems, validation, middleware, schemas, dependencies."""
