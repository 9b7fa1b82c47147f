package render

import (
	"encoding/json"
	"fmt"
)

// decode reads an object's content into its typed form, as the API server
// would: unknown fields are dropped, a wrong type is an error.
func decode(content map[string]any, into any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the API server would refuse it: %w", err)
	}
	return nil
}
