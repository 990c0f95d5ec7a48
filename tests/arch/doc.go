// Package arch checks the rules of the house: who may import whom, what the pure packages may not touch, and what every
// file must keep to. Each rule is a function from what was found to a list of violations, so that it can be tested on
// small made-up inputs.
package arch
