// Package impact tells what changes between two renders of a fleet: object by
// object, on which clusters, and what becomes of what is no longer rendered.
//
// The entry point is [Between]. It is a pure function of two results, and a
// mirror: Between(b, a) says of each change the opposite of Between(a, b). An
// applier that fails, is unresolved or is suspended on one side changes nothing
// that can be known; it is reported as withheld, never as deletions. What becomes of a
// change, be it deleted for good or refused by the API server, has no mirror image.
package impact
