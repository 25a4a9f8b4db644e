"""The HTTP API: `/api/v1` for programs, `/files` with stable addresses, `/embed` for other sites' pages."""
