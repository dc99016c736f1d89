/** A module of its own: a bundler that follows this import leaves out the client's classes for every kind there is. */
export { KubeConfig } from '@kubernetes/client-node'
