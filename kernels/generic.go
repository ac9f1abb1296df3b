package kernels

// generic is the specification, which runs everywhere.
var generic = implementation{
	name:        "generic",
	tile:        1,
	a:           blocking{1, kAlign},
	b:           blocking{4, 1},
	aType:       signed8,
	quantize:    genericQuantize,
	round:       genericRound,
	panel:       genericPanel,
	panelStep:   kAlign,
	budget:      1 << 17,
	floatRows:   1,
	floatPanel:  genericFloatPanel,
	floatBudget: 1 << 15,
	toFloats:    genericToFloats,
	transpose:   genericTranspose,
	minMax:      genericMinMax,
	moments:     genericMoments,
	normalize:   genericNormalize,
	gelu:        genericGELU,
	softmax:     genericSoftmax,
	dots:        genericDots,
	resample:    genericResample,
	blend:       genericBlend,
}
