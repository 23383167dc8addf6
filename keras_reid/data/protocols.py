"""Which gallery images count for a query."""

CROSS_CAMERA, ALL, LEAVE_ONE_OUT = "cross_camera", "all", "leave_one_out"
PROTOCOLS = {
    CROSS_CAMERA: "cross-camera (gallery images of the query's identity from its own camera do not count)",
    ALL: "all (every gallery image counts, whatever its camera)",
    LEAVE_ONE_OUT: "leave-one-out (each image is searched for among all the others)",
}
