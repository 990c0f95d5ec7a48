// Package bench measures the parts together: how long it takes from a fact to a running service, and what many services
// cost. Each figure stands beside what the same machine needs at the least, in the same run.
package bench
