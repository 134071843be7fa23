"""The API reference: pages for people, drawn from the OpenAPI document."""
