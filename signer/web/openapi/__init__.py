"""The description of the routes in the form of OpenAPI 3.1, made of what parses requests and what answers are."""
