/* What kernels of floats have in common. */
#ifndef ARENAFIT_ROW_F32_H_
#define ARENAFIT_ROW_F32_H_

/* The largest float, and minus that, are where TFLM's "no activation" clamps. */
#define ARENAFIT_LOWEST_F32 (-3.4028234663852886e38f)

/* The comparisons are TFLM's, so that what is no number, and the sign of 0, stay as they do there.
 */
static inline float arenafit_clamp_f32(float x, float min, float max) {
  const float raised = x < min ? min : x;
  return max < raised ? max : raised;
}

#endif /* ARENAFIT_ROW_F32_H_ */
