/** The TensorFlow.js backends that compute; this package's own kernels are registered for each. */
export const EAGER_BACKENDS = ['cpu', 'wasm', 'webgl', 'webgpu', 'tensorflow'];
