"""The GraphQL face: types, inputs, errors, batch loading, execution. The published contract."""
