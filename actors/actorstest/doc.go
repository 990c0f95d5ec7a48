// Package actorstest has what tests of the actors need: a fake container runtime and the conformance suite that it has to
// pass just like the real one, and a World, in which a whole system lives in virtual time. In a World a seed decides
// which message is delivered next, and everything that is done is traced and judged.
package actorstest
