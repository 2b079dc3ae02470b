/* The small structs that arenafit's kernels take: extents, windows, ranges. */
#ifndef ARENAFIT_TYPES_H_
#define ARENAFIT_TYPES_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Largest extent, filter, stride and padding that kernels accept. */
#define ARENAFIT_MAX_EXTENT (INT32_C(1) << 20)

/* Element types, by the suffixes of the kernels' names. */
typedef enum { ARENAFIT_S8, ARENAFIT_S16, ARENAFIT_F32 } arenafit_type;

/* Extents of an NHWC tensor, in elements. */
typedef struct {
  int32_t n; /* images */
  int32_t h; /* rows */
  int32_t w; /* columns */
  int32_t c; /* channels */
} arenafit_dims;

/* Something of rows and columns. */
typedef struct {
  int32_t h;
  int32_t w;
} arenafit_tile;

/* The values that outputs are clamped to, both included. */
typedef union {
  struct {
    int32_t min, max;
  } s32; /* of the integer types */
  struct {
    float min, max;
  } f32;
} arenafit_range;

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_TYPES_H_ */
