// Command bench measures what bulkhead costs on synthetic fleets: a table, the same
// as JSON, and with -write the measured part of docs/explain/performance.md.
//
// One invariant: what it prints it has measured, as the CPU time of whole process
// trees whose answers it has checked; an estimate says so. See [measure].
package main
