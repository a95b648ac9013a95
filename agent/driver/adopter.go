package driver

import "context"

// Adopter is a [Driver] whose instances outlive the agent's process, and can be taken over by the next one.
type Adopter interface {
	// Adopt takes over the instances that an earlier run of this driver, which has died, left behind: they are as if this run
	// had launched them, and one that has ended since tells so at once. Only whole ones are: what had not been launched to its
	// end, or cannot be made out, is left to Sweep, which must be called later and not before. Instances of a run that lives
	// are not touched. After an error some may have been taken over; Close ends those.
	Adopt(ctx context.Context) ([]Instance, error)
}
