// Package actors brings the services to life: a root actor spawns one actor per service, one per distinct condition and
// one for the link to the container runtime.
//
// Actors route; decisions are made in package service. A message becomes a command, the decision is appended to the
// journal, then the state follows, then the effects go out. Blocking calls run in goroutines that post their outcome
// back as a message; nothing but Journal.Append, which is bounded, blocks an actor.
//
// protoactor restarts actors, package service restarts containers: the two are never mixed. A panic in the actor of one
// service quarantines that service; a panic anywhere else ends the process.
package actors
