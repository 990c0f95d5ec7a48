// Package sim runs whole systems of services in virtual time, each from a seed, and checks after every step that nothing
// happened that must not.
//
// The actors are those that are shipped; the container runtime, the journal, the clock, the watchers and the order of
// messages are those of package actorstest. A seed makes up service files and then lets things happen to them: persons,
// files, conditions, health, containers, containerd, the disk and the death of the daemon, in the middle of anything and at
// both sides of any commit. In the end all trouble ceases, and every service has to come to where it should be.
//
// "make sim SEEDS=2000" plays many seeds and prints figures; "make sim SEED=7" plays one and prints its trace. What goes
// wrong is printed with its seed, its trace, and the life of the services concerned as golden scripts for
// service/testdata/scripts. TestSeededBugsAreFound plants bugs to see that they are found.
package sim
