package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"streamstack/events"
)

// Agent is an agent as the API shows it.
type Agent struct {
	ID           events.AgentID     `json:"id"`
	Region       events.Region      `json:"region"`
	Status       string             `json:"status"` // online, draining, silent or offline
	Driver       string             `json:"driver"`
	Version      string             `json:"version"`
	Slots        int                `json:"slots"`          // sessions at once
	Sessions     int                `json:"sessions"`       // that it has now
	Load         *float64           `json:"load,omitempty"` // processes that run or wait for each processor; nil: not known
	Warm         *int               `json:"warm,omitempty"` // instances that wait for sessions; nil: none ever do
	GPUs         []events.GPUData   `json:"gpus"`
	Applications []AgentApplication `json:"applications"`
	Since        time.Time          `json:"since"` // when it began, or left
	Drain        *AgentDrain        `json:"drain,omitempty"`
}

// AgentApplication is what an agent can launch.
type AgentApplication struct {
	Name     string `json:"name"`
	Versions []int  `json:"versions"`
}

// AgentDrain is that an agent takes no more work.
type AgentDrain struct {
	By    string     `json:"by"`
	Until *time.Time `json:"until,omitempty"` // when the sessions that are left end; nil: never
}

// Agents returns the agents; all includes those that have said good-bye.
func (c *Client) Agents(ctx context.Context, all bool) (list []Agent, err error) {
	path := "/1.0/agents"
	if all {
		path += "?all=true"
	}
	_, err = c.api.call(ctx, http.MethodGet, path, nil, http.StatusOK, &list)
	return list, err
}

// Agent returns one agent.
func (c *Client) Agent(ctx context.Context, id events.AgentID) (a Agent, err error) {
	_, err = c.api.call(ctx, http.MethodGet, agentPath(id), nil, http.StatusOK, &a)
	return a, err
}

// Drain has an agent take no more work. Its sessions go on, until minutes have passed where that is not nil.
func (c *Client) Drain(ctx context.Context, id events.AgentID, minutes *int) (a Agent, err error) {
	body := struct {
		DeadlineMin *int `json:"deadline_min,omitempty"`
	}{minutes}
	_, err = c.api.call(ctx, http.MethodPost, agentPath(id)+"/drain", body, http.StatusOK, &a)
	return a, err
}

// Resume has a drained agent take work again.
func (c *Client) Resume(ctx context.Context, id events.AgentID) (a Agent, err error) {
	_, err = c.api.call(ctx, http.MethodDelete, agentPath(id)+"/drain", nil, http.StatusOK, &a)
	return a, err
}

func agentPath(id events.AgentID) string { return "/1.0/agents/" + url.PathEscape(string(id)) }
