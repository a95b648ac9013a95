// Package limit counts what clients do to a gateway and says when it is too much.
//
// Three kinds of bounds: how often ([Rate]: requests, bad credentials), how many at once ([Count]: sockets), and how many
// live ([Sessions]: decided on the read model). All of them hold what they know in bounded memory, answer without waiting,
// and take their figures with each question, so that an operator's change holds from the next request on.
//
// Rates and counts are each gateway's own: sharing them would put a write to NATS before every request. With N gateways
// behind a balancer an account so gets up to N times the figure.
package limit
