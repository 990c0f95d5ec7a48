// Package actorstest has a fake container runtime for tests of the actors, and the conformance suite that it has to pass
// just like the real one.
package actorstest
