// Package sim runs whole systems of services in virtual time, each from a seed, and checks after every step that nothing
// happened that must not.
package sim
