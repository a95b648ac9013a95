package projections

import "slices"

// Figures and a look inside, for tests.
const (
	IndexLimit = indexLimit
	IndexIdle  = indexIdle
)

// Indexes is how many indexes the model has.
func (m *Sessions) Indexes() int { return len(m.indexes.all) }

// Queries has a page of each order over all sessions that an index is made for.
func Queries() (all []Query) {
	for by, text := range fields {
		if text != nil {
			all = append(all, Query{By: by, Limit: 1}, Query{By: by, Desc: true, Limit: 1})
		}
	}
	slices.SortFunc(all, func(a, b Query) int { return compare(a.By, b.By, 0, 0) })
	return all
}
