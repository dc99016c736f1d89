export { serve as serveCluster } from './server.ts'
