"""The working calendar: notices of days off, its versions, and deadlines by it."""
