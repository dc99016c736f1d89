package model

import pm "istio.io/istio/pkg/model"

// TrafficInterceptionMode is the type that the transcribed constants have.
type TrafficInterceptionMode = pm.TrafficInterceptionMode
