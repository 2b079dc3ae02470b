/* What a check of arenafit's core says of its arguments. */
#ifndef ARENAFIT_STATUS_H_
#define ARENAFIT_STATUS_H_

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  ARENAFIT_OK = 0,
  ARENAFIT_BAD_OPTIONS, /* the options are not of the size or version that is known */
  ARENAFIT_BAD_SHAPE,   /* tensors that do not go together, are empty or too large */
  ARENAFIT_BAD_WINDOW,  /* filter, stride or padding out of range, or beyond the image */
  ARENAFIT_BAD_CLAMP,   /* the activation's range is empty or not of the element type */
  ARENAFIT_BAD_OVERLAP  /* input and output share bytes that the kernel still has to read */
} arenafit_status;

/* A few words for people; never NULL. */
const char* arenafit_status_text(arenafit_status status);

#ifdef __cplusplus
}
#endif

#endif /* ARENAFIT_STATUS_H_ */
