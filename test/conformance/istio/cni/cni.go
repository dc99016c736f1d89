package cni

// Takes returns whether the CNI plugin takes the value of an annotation, by the annotation's full name.
func Takes(name, value string) bool {
	for _, param := range annotationRegistry {
		if param.key == name {
			return param.validator(value) == nil
		}
	}
	return true
}
