"""HTTP: requests in, answers and problem documents out. The only place that knows Flask."""
